// Package identity turns a bearer token into a rail.Viewer with roles.
//
// There are two kinds of proof, and a server takes exactly one. Development checks HS256 against a secret in the
// server's own folder. Issuer checks asymmetric signatures against the published keys of an OpenID Connect issuer, and
// refuses every token that a shared secret signed. What a viewer may do is rail.Viewer's to say. Identity reads no
// requests and logs nothing.
//
// A viewer comes only out of an access token whose signature, kind, parties, time and subject were checked. The refusal
// of a token says which of these failed; the key, the library's error and the other claims stay inside. An error is a
// *rail.Error: UNAUTHENTICATED where the token is wrong, UNAVAILABLE where the issuer cannot be asked.
//
// Verifiers are safe for concurrent use.
package identity

import (
	"context"
	"strings"

	"interlock/services/rail"
)

// Verifier turns a token into the viewer it speaks for.
type Verifier interface {
	// Verify checks a compact JWT, without the word Bearer. The error is UNAUTHENTICATED for a token that is not valid,
	// and UNAVAILABLE where it cannot be checked just now.
	Verify(ctx context.Context, token string) (*rail.Viewer, error)
}

const (
	// maxTokenBytes is far above the 1 to 4 KiB of issuers' tokens, and bounds the cost of parsing rubbish.
	maxTokenBytes = 16 << 10
	// DefaultRolesClaim is the claim with the roles unless a setting names another.
	DefaultRolesClaim = "roles"
)

// checkForm refuses, before it is parsed, a token that no issuer makes. The parsers would take line breaks within
// base64, but a token has one spelling.
func checkForm(token string) error {
	switch {
	case len(token) > maxTokenBytes:
		return refuse("the token is too long", nil)
	case strings.ContainsAny(token, " \t\r\n"):
		return refuse(invalidMessage, nil)
	}
	return nil
}

// refuse is the refusal of a token. The client gets the message; the cause stays in the process.
func refuse(message string, cause error) *rail.Error {
	return &rail.Error{Code: rail.Unauthenticated, Message: message, Cause: cause}
}
