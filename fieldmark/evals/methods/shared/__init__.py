"""What several papers share: support sets, neighbours, a pool of templates, questions, class vectors."""
