"""What each library makes of the workloads: `WORK[name](given)` returns a step.

A step of a to e trains, and returns the loss; of g and h it goes forward and backward,
and returns arrays; of f it moves the weights, and returns the first of them. A file is
named as its library, and a workload that the library has no parts for is left out.
"""
