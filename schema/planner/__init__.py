"""The planner: a document becomes SQL and bytes. docs/planner.md explains it with an example."""
