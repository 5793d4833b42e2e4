"""The stenod server: see docs/ and design notes at the head of each package."""
