"""Many photos: what there is to do, by whom it is done, and what came of it.

Work is a callable that takes an item and returns its record, so that whoever runs it, processes of this machine or a
cluster, need not know what it does. It finds out by itself what is done already: a run that was killed goes on where
it was, and an item that comes twice is done once.
"""

from photoflow.batch.clip_work import ClipWork
from photoflow.batch.items import Item, Items
from photoflow.batch.processes import Processes
from photoflow.batch.ray_cluster import RayCluster
from photoflow.batch.record import Record

__all__ = ["ClipWork", "Item", "Items", "Processes", "RayCluster", "Record"]
