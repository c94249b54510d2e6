"""Data in and out: files, readers, writers, and the schema. This room knows no model."""
