"""Memory tuning: experts beside a frozen model recall named facts without error, and leave all else alone."""

from sqlft.memory.facts import Fact, Use, check_facts, read_facts
from sqlft.memory.memorize import Learned, memorize
from sqlft.memory.memory import Memory
from sqlft.memory.store import load_memory, save_memory

__all__ = ["Fact", "Learned", "Memory", "Use", "check_facts", "load_memory", "memorize", "read_facts", "save_memory"]
