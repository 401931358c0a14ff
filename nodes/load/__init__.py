"""Customers: what they ask for and when, whether anyone is fast enough to answer or not."""
