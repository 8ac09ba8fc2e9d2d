package seats

import "interlock/services/rail"

// Party is who travels together: all of them get a seat, or none.
type Party struct {
	// From and To are the calls where they board and alight.
	From, To int
	// Wishes are one for each of them.
	Wishes []rail.Wish
}

// Size is how many they are.
func (p Party) Size() int { return len(p.Wishes) }
