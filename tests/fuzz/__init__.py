"""Thousands of bad and odd calls: each ends in a value or an ordinary exception, never in a crash."""
