"""The aviary: a small embedded world of drawn birds in which every method can be measured."""
