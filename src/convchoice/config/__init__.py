"""What can be set: keys, types, rules, data sets."""
