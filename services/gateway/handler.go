package gateway

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"

	"interlock/services/rail"
)

// serveGraphQL hands a request to GraphQL when it has passed all checks, the cheapest first: where it comes from, how
// it is sent and to be answered, whether the server has room for it, and whose it is.
func (g *Gateway) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if !g.admit(w, r) {
		return
	}
	r = withAcceptance(r)
	if err := checkForm(w.Header(), r); err != nil {
		g.refuseUnread(w, r, err)
		return
	}
	if err := g.checkRoom(isWebSocket(r)); err != nil {
		g.refuse(w, r, http.StatusServiceUnavailable, err)
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
	if !isWebSocket(r) {
		// A server may ignore an upgrade to another protocol (RFC 9110, 7.8). gqlgen takes any for a WebSocket's.
		r.Header.Del("Upgrade")
	}
	g.graphql.ServeHTTP(w, r)
}

// checkForm says what is wrong with how a request is sent, as a *statusError, and sets the headers that go with it.
func checkForm(header http.Header, r *http.Request) error {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		header.Set("Allow", allowedMethods)
		return badRequest(http.StatusMethodNotAllowed, "GraphQL is asked with POST or GET, not %s", r.Method)
	case r.Method == http.MethodGet && r.ContentLength != 0:
		// The connection is of no further use: its next request begins behind a body that is not read.
		header.Set("Connection", "close")
		return badRequest(http.StatusBadRequest,
			"a GET has no body; a question is in its URL, or in the body of a POST")
	case r.Method == http.MethodPost && !isJSON(r):
		header.Set("Accept-Post", "application/json")
		return badRequest(http.StatusUnsupportedMediaType,
			"a POST has a body of Content-Type application/json, in UTF-8 and not compressed")
	case !isWebSocket(r) && acceptedBy(r) == acceptance{}:
		return badRequest(http.StatusNotAcceptable, "Accept takes none of what there is: %s, %s and %s",
			mediaGraphQL, mediaJSON, mediaEvents)
	}
	return nil
}

// checkRoom says why the server cannot take one more request just now; nil where it can. It comes before the token is
// checked and the body is read, so that refusals cost little where there are too many requests.
func (g *Gateway) checkRoom(isWebSocket bool) error {
	switch {
	case isWebSocket && g.options.Starting():
		return starting
	case g.limiter.overloaded():
		return tooManyRequests
	}
	return nil
}

// viewerOf checks the token of a request. It returns nil and no error where there is none: the request is anonymous.
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

// refuseToken answers 401 to a token that is not valid, and 503 where no token can be checked just now.
func (g *Gateway) refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	if rail.CodeOf(err) == rail.Unauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		g.refuse(w, r, http.StatusUnauthorized, err)
		return
	}
	g.refuse(w, r, http.StatusServiceUnavailable, err)
}

// isJSON tells whether the body is JSON in UTF-8. Browsers ask first (a preflight) before a page sends such a POST, so
// a form of a foreign page cannot send one.
func isJSON(r *http.Request) bool {
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	encoding := r.Header.Get("Content-Encoding")
	return err == nil && mediaType == "application/json" && (charset == "" || strings.EqualFold(charset, "utf-8")) &&
		(encoding == "" || strings.EqualFold(encoding, "identity"))
}

// isWebSocket tells whether the client wants a WebSocket. Other upgrades are ignored: curl offers h2c.
func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && hasToken(r.Header.Values("Upgrade"), "websocket")
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

// statusError is a refusal with the HTTP status that it is answered with.
type statusError struct {
	status int
	err    *rail.Error
}

func (e *statusError) Error() string { return e.err.Error() }

// badRequest is a request that is the client's mistake.
func badRequest(status int, format string, args ...any) *statusError {
	return &statusError{status, rail.Refuse(rail.BadUserInput, format, args...)}
}

func unreadable(format string, args ...any) error {
	return badRequest(http.StatusBadRequest, format, args...)
}

// refuseUnread answers a request that was refused before it was understood. err is a *statusError, errPersistedQuery,
// or an error of ours, which becomes 500.
func (g *Gateway) refuseUnread(w http.ResponseWriter, r *http.Request, err error) {
	var body *statusError
	if errors.As(err, &body) {
		g.refuse(w, r, body.status, body.err)
		return
	}
	if errors.Is(err, errPersistedQuery) {
		g.refuse(w, r, statusOfUnexecuted(r), err)
		return
	}
	g.refuse(w, r, http.StatusInternalServerError, err)
}
