"""Windows against their reference: drift, alarms, and what alarms will do before they do it."""
