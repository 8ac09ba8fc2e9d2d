package rail

import (
	"context"
	"slices"
	"time"
)

// Role is what a viewer may do.
type Role string

// The roles. A viewer without any may search and watch seats.
const (
	RolePassenger Role = "PASSENGER"
	RoleAdmin     Role = "ADMIN"
	RoleInspector Role = "INSPECTOR"
)

// Roles are all roles.
var Roles = []Role{RolePassenger, RoleAdmin, RoleInspector}

// Viewer is who asks. It is here, and travels in the context, because what it may see is a rule about orders (MaySee)
// that the gateway, the use cases and the resolvers all keep.
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

type viewerKey struct{}

// WithViewer is a context that knows who asks. The gateway makes it, once per request or connection.
func WithViewer(ctx context.Context, v *Viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// ViewerFrom is who asks, or nil where that is unknown. A nil *Viewer is without roles, and may see no order.
func ViewerFrom(ctx context.Context) *Viewer {
	v, _ := ctx.Value(viewerKey{}).(*Viewer)
	return v
}
