package rail

import (
	"context"
	"net/netip"
)

type viewerKey struct{}

// WithViewer is a context that knows who asks. The gateway makes it, once per request or connection.
func WithViewer(ctx context.Context, v *Viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// ViewerFrom is who asks, or nil where nobody said: a nil *Viewer has no role and may see no order.
func ViewerFrom(ctx context.Context) *Viewer {
	v, _ := ctx.Value(viewerKey{}).(*Viewer)
	return v
}

// Client is where a request comes from.
type Client struct {
	// Address is the client's in the network: one address of IPv4, and of IPv6 the 64 bits that a household or a phone is
	// given. It is not valid where the network has none. It is for counting in memory, and never for a log.
	Address netip.Prefix
	// Stream tells the WebSockets and event streams of a server apart.
	Stream uint64
}

type clientKey struct{}

// WithClient is a context that knows where the request comes from. The gateway makes it for every stream.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientFrom is where the request comes from; false where it comes from inside the process.
func ClientFrom(ctx context.Context) (Client, bool) {
	c, ok := ctx.Value(clientKey{}).(Client)
	return c, ok
}
