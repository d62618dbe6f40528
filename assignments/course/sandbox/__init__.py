"""Where a student's process runs, and what it can reach from there.

    limits     L1: resource limits, by the kernel's rlimits
    sweep      L1: nobody of the process's family survives it
    landlock   L2: which files may be read and written
    seccomp    L2: which questions the kernel answers at all
    bwrap      L3: namespaces of its own, where bubblewrap is installed
    attack     what a hostile submission would try, bounded, against our own canaries
    probe      the sandbox attacks itself before it is trusted

`limits`, `landlock` and `seccomp` are loaded by the student's process before it sees
the first byte of a student; they import the standard library only.
"""
