package gateway

import (
	"context"
	"net/http"
)

// maxRequestIDBytes is enough for every tracing system: a UUID has 36.
const maxRequestIDBytes = 64

type requestIDKey struct{}

func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// requestIDOf is the id that a proxy gave the request, so that the logs of both agree, or a new one. It goes into logs
// and headers, so it has only letters, digits and "-_.".
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
