"""The `ray` sandboxes: the machines of a Ray cluster, each of which runs `local` or `docker` underneath.

One driver, which is the process that runs codemonkeys, places each execution on a node; an actor on each node, the
agent, owns its environments and carries executions out. Nothing of a node's state decides a result: an execution is a
function of its arguments, so one that was lost with a node runs on another.
"""
