"""The four graphs: resolve, optimize, define and build; and the steps that they share."""
