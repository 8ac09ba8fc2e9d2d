package rail

import (
	"slices"
	"time"
)

// Role is what a viewer may do.
type Role string

// The roles. Whoever has no role may search and watch seats.
const (
	RolePassenger Role = "PASSENGER"
	RoleAdmin     Role = "ADMIN"
)

// Viewer is who asks.
type Viewer struct {
	// Subject is the buyer's stable name, 1 to 128 printable ASCII characters.
	Subject string
	Roles   []Role
	// Expires is when what was proven about the viewer stops being true; a stream does not outlive it. Zero: never.
	Expires time.Time
}

// Is tells whether the viewer has a role.
func (v *Viewer) Is(role Role) bool { return v != nil && slices.Contains(v.Roles, role) }

// MaySee tells whether an order is the viewer's business: their own, or any for an admin.
func (v *Viewer) MaySee(o *Order) bool {
	return v != nil && (v.Is(RoleAdmin) || v.Subject == o.Buyer)
}
