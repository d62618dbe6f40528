"""Data-parallel training: several processes, each with a copy of the model.

Every process ("rank") takes its rows of each batch; their gradients are added up, and
all make the same step. So N ranks do what one process does with the whole batch.

    world = parallel.mpi()                    # started by: mpiexec -n 4 python train.py
    for x, y in world.share(loader):          # of each batch, the rows of this rank
        loss = ops.cross_entropy(net(x), y)
        (loss * len(y)).backward()
        world.average(net.parameters(), len(y))                      # Σ nᵢ gᵢ / Σ nᵢ
        optimizer.step()
        optimizer.zero_grad()

`Trainer(…, parallel="mpi")` is that loop, with all that a Trainer does besides.

world       the ranks, and sums over them        batch_norm  one batch for all of them
"""

from minidl.parallel.batch_norm import sync_batch_norm
from minidl.parallel.world import RankError, World, mpi

__all__ = ["RankError", "World", "mpi", "sync_batch_norm"]
