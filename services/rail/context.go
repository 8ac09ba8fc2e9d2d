package rail

import "context"

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
