package gateway

import (
	"context"
	"net/http"
)

// maxRequestIDBytes is what anybody's tracing makes (a UUID has 36), and nobody needs more of in a log line.
const maxRequestIDBytes = 64

type requestIDKey struct{}

func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// requestIDOf is the name a proxy gave the request, so that both logs agree on it, or a new one. It goes into logs and
// headers, so it has nothing but letters, digits and "-_.".
func requestIDOf(r *http.Request, newID func() string) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > maxRequestIDBytes {
		return newID()
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return newID()
		}
	}
	return id
}
