"""The LangGraph graphs and the run context they share."""
