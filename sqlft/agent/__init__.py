"""Questions in, predictions out: retrieve, write, run, reflect, vote. It knows no right answers."""

from sqlft.agent.agent import Agent, Way
from sqlft.agent.ask import Analyst, Reply, open_analyst, open_analysts
from sqlft.agent.retrieve import Bm25, Nearest, VectorSearch
from sqlft.agent.writers import EndpointWriter, LocalWriter, Remembered, ServedWriter, Writer

__all__ = [
    "Agent",
    "Analyst",
    "Bm25",
    "EndpointWriter",
    "LocalWriter",
    "Nearest",
    "Remembered",
    "Reply",
    "ServedWriter",
    "VectorSearch",
    "Way",
    "Writer",
    "open_analyst",
    "open_analysts",
]
