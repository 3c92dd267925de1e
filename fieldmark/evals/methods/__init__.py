"""The methods of the field under one protocol: one file a method or a family of variants, one registry."""
