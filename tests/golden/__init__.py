"""Golden contracts: their JSON files, and the objects that must give exactly those bytes."""
