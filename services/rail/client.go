package rail

import (
	"context"
	"net/netip"
)

// Client is where a request comes from. It is beside Viewer, because a bound per viewer is a bound per client where
// there is no token.
type Client struct {
	// Address is the client's in the network: one address of IPv4, and of IPv6 the 64 bits that a household or a phone
	// is given. It is not valid where the network has none. It is for counting in memory, and never for a log.
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
