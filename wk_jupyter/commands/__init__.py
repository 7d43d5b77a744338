"""Commands that look after an organization: its users, teams, tokens, and other organizations."""
