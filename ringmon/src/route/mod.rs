//! Consumers of the active list. Empty until the routes are built; the room stands so that its place is known.
