"""The benchmark runner: starts the programs, drives the scenarios, writes and compares results."""
