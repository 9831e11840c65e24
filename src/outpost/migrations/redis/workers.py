"""Chooses who does the work: scripts in place, or copies across slots."""

from outpost.migrations.redis.across import AcrossWorker
from outpost.migrations.redis.single import SingleWorker
from outpost.migrations.redis.work import Task, Worker


def worker_for(task: Task) -> Worker:
    return AcrossWorker(task) if task.context.across else SingleWorker(task)
