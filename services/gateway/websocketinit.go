package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"interlock/services/rail"
)

// init reads the token out of the connection's first message, and counts the socket for its viewer. A token must be
// valid. Without one, the Authorization of the handshake counts: browsers cannot send it, other clients can. init
// returns the context with the viewer, and false where it closes the connection.
func (s *webSocket) init(ctx context.Context, payload json.RawMessage) (context.Context, bool) {
	viewer, err := s.g.viewerIn(ctx, payload)
	if err != nil {
		s.refuse(ctx, initCloseCode(err), err)
		return nil, false
	}
	if err := s.entry.give(ownedBy(viewer, s.address)); err != nil {
		s.refuse(ctx, int(websocket.StatusTryAgainLater), err)
		return nil, false
	}
	if viewer != nil {
		ctx = rail.WithViewer(ctx, viewer)
		if !viewer.Expires.IsZero() {
			s.closeAt(viewer.Expires)
		}
	}
	s.write(&envelope{Type: "connection_ack"})
	return ctx, true
}

// initCloseCode is how a connection ends that connection_init did not get through.
func initCloseCode(err error) int {
	var malformed *statusError
	if errors.As(err, &malformed) {
		return closeBadRequest
	}
	switch rail.CodeOf(err) {
	case rail.Unauthenticated:
		return closeForbidden
	case rail.Unavailable, rail.Overloaded:
		return int(websocket.StatusTryAgainLater)
	}
	return closeInternal
}

// viewerIn checks the token in the payload of connection_init. Its error is a *statusError where the payload is not of
// the right form, and else that of the token.
func (g *Gateway) viewerIn(ctx context.Context, payload json.RawMessage) (*rail.Viewer, error) {
	token, err := tokenIn(payload)
	if err != nil {
		return nil, err
	}
	greeted := rail.ViewerFrom(ctx)
	if token == "" {
		return greeted, nil
	}
	viewer, err := g.options.Identity.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if greeted != nil && greeted.Subject != viewer.Subject {
		return nil, rail.Refuse(rail.Unauthenticated, "connection_init and the handshake have tokens of two viewers")
	}
	return viewer, nil
}

// tokenNames are the members of connection_init in which clients send a token, in lower case. The recipes of Apollo
// Client say authToken, those of graphql-ws token, and those that share a function with HTTP say Authorization.
var tokenNames = []string{"authorization", "authtoken", "accesstoken", "token"}

// tokenIn is the token in the payload of connection_init; "" is none. It stands under one of tokenNames, in any case,
// or there in "headers", as Hasura's clients send it. It may have "Bearer" before it. The same token twice is one.
func tokenIn(payload json.RawMessage) (string, error) {
	fields, err := objectIn(payload, "the payload")
	if err != nil {
		return "", err
	}
	tokens := map[string]bool{}
	for name, value := range fields {
		switch {
		case strings.EqualFold(name, "headers"):
			headers, err := objectIn(value, "headers")
			if err != nil {
				return "", err
			}
			for name, value := range headers {
				if err := addToken(tokens, name, value); err != nil {
					return "", err
				}
			}
		default:
			if err := addToken(tokens, name, value); err != nil {
				return "", err
			}
		}
	}
	all := slices.Collect(maps.Keys(tokens))
	switch len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0], nil
	}
	return "", rail.Refuse(rail.Unauthenticated, "connection_init has two different tokens")
}

// objectIn reads a JSON object. Nothing and null are an empty one.
func objectIn(text json.RawMessage, what string) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if len(text) > 0 && json.Unmarshal(text, &fields) != nil {
		return nil, unreadable("%s of connection_init is not an object", what)
	}
	return fields, nil
}

// addToken adds the token of a member whose name is one of tokenNames. null and the empty text are no token: pages send
// them before their user signs in.
func addToken(tokens map[string]bool, name string, value json.RawMessage) error {
	if !slices.Contains(tokenNames, strings.ToLower(name)) {
		return nil
	}
	var text *string
	if json.Unmarshal(value, &text) != nil {
		return unreadable("%s of connection_init is not a text", name)
	}
	if text == nil || strings.TrimSpace(*text) == "" {
		return nil
	}
	words := strings.Fields(*text)
	isBearer := strings.EqualFold(words[0], "Bearer")
	switch {
	case len(words) == 1 && !isBearer:
		tokens[words[0]] = true
	case len(words) == 2 && isBearer:
		tokens[words[1]] = true
	default:
		return rail.Refuse(rail.Unauthenticated, "the %s is not of the form: Bearer TOKEN", strings.ToLower(name))
	}
	return nil
}
