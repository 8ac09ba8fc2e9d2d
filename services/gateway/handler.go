package gateway

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"

	"interlock/services/rail"
)

// serveGraphQL is the way to /graphql: where from, how, who, how many, and then what.
func (g *Gateway) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if !g.admit(w, r) {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", allowedMethods)
		g.refuse(w, r, http.StatusMethodNotAllowed, rail.Refuse(rail.BadUserInput, "GraphQL is asked with POST or GET, not %s", r.Method))
		return
	}
	if r.Method == http.MethodGet && r.ContentLength != 0 {
		// Nobody waits for it.
		w.Header().Set("Connection", "close")
		g.refuse(w, r, http.StatusBadRequest, rail.Refuse(rail.BadUserInput, "a GET has no body; a question is in its URL, or in the body of a POST"))
		return
	}
	if r.Method == http.MethodPost && !isJSON(r) {
		w.Header().Set("Accept-Post", "application/json")
		g.refuse(w, r, http.StatusUnsupportedMediaType,
			rail.Refuse(rail.BadUserInput, "a POST has a body of Content-Type application/json, in UTF-8 and not compressed"))
		return
	}
	if (isWebSocket(r) || wantsSSE(r)) && g.options.Starting() {
		// A stream that ended with an error would be taken for one that is over.
		g.refuse(w, r, http.StatusServiceUnavailable, starting)
		return
	}
	if g.limiter.overloaded() {
		// Before its token is checked and its body understood: what a server has too much of must not be refusals.
		g.refuse(w, r, http.StatusServiceUnavailable, tooManyRequests)
		return
	}
	viewer, err := g.viewerOf(r.Context(), r.Header.Values("Authorization"))
	if err != nil {
		g.refuseToken(w, r, err)
		return
	}
	if viewer != nil {
		r = r.WithContext(rail.WithViewer(r.Context(), viewer))
	}
	switch {
	case isWebSocket(r):
		g.graphql.ServeHTTP(w, r)
	case wantsSSE(r):
		r.Header.Del("Upgrade")
		g.graphql.ServeHTTP(w, r)
	default:
		// Another upgrade than to a WebSocket is for us to ignore, and for gqlgen not to see: it takes any for one.
		r.Header.Del("Upgrade")
		if !g.inFlight.start() {
			g.refuse(w, r, http.StatusServiceUnavailable, tooManyRequests)
			return
		}
		defer g.inFlight.end()
		g.graphql.ServeHTTP(w, r)
	}
}

// viewerOf proves who asks; nil, nil where nobody says who they are.
func (g *Gateway) viewerOf(ctx context.Context, authorization []string) (*rail.Viewer, error) {
	if len(authorization) == 0 || len(authorization) == 1 && strings.TrimSpace(authorization[0]) == "" {
		return nil, nil
	}
	scheme, token, _ := strings.Cut(strings.TrimSpace(authorization[0]), " ")
	token = strings.TrimSpace(token)
	if len(authorization) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, rail.Refuse(rail.Unauthenticated, "the authorization is not of the form: Bearer TOKEN")
	}
	viewer, err := g.options.Identity.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	return viewer, nil
}

// refuseToken answers who proved nothing with 401, and who cannot be checked just now with 503.
func (g *Gateway) refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	if rail.CodeOf(err) == rail.Unauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		g.refuse(w, r, http.StatusUnauthorized, err)
		return
	}
	g.refuse(w, r, http.StatusServiceUnavailable, err)
}

// isJSON tells whether the body is what we read. Only such a POST makes browsers ask first (a preflight), so no form of
// a foreign page gets past it.
func isJSON(r *http.Request) bool {
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	encoding := r.Header.Get("Content-Encoding")
	return err == nil && mediaType == "application/json" && (charset == "" || strings.EqualFold(charset, "utf-8")) &&
		(encoding == "" || strings.EqualFold(encoding, "identity"))
}

// isWebSocket tells whether the client wants a WebSocket. Other upgrades (curl offers h2c) are for the server to ignore.
func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && hasToken(r.Header.Values("Upgrade"), "websocket")
}

// wantsSSE tells whether the client wants server-sent events.
func wantsSSE(r *http.Request) bool {
	return accepts(r, "text/event-stream")
}

// accepts tells whether a media type is named by Accept, wildcards left aside.
func accepts(r *http.Request, mediaType string) bool {
	for _, field := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(field, ",") {
			name, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) {
				return true
			}
		}
	}
	return false
}

func hasToken(fields []string, token string) bool {
	for _, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// inFlight counts the operations in flight.
type inFlight struct {
	limit int64
	now   atomic.Int64
}

func (f *inFlight) start() bool {
	if f.now.Add(1) > f.limit {
		f.now.Add(-1)
		return false
	}
	return true
}

func (f *inFlight) end() { f.now.Add(-1) }

// statusError is a request that cannot be read, and the status it is refused with.
type statusError struct {
	status int
	err    *rail.Error
}

func (e *statusError) Error() string { return e.err.Error() }

func unreadable(format string, args ...any) error {
	return &statusError{http.StatusBadRequest, rail.Refuse(rail.BadUserInput, format, args...)}
}

// refuseUnread answers a request that could not be read.
func (g *Gateway) refuseUnread(w http.ResponseWriter, r *http.Request, err error) {
	var body *statusError
	if errors.As(err, &body) {
		g.refuse(w, r, body.status, body.err)
		return
	}
	if errors.Is(err, errPersistedQuery) {
		// Those who send hashes expect an answer, not a failure.
		g.refuse(w, r, http.StatusOK, err)
		return
	}
	g.refuse(w, r, http.StatusInternalServerError, err)
}
