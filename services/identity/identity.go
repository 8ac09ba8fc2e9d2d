// Package identity says who asks: it turns a bearer token into a rail.Viewer with roles.
//
// There are two kinds of proof, and a server takes exactly one. Development checks HS256 against a secret that lies in
// the server's own folder; Issuer checks asymmetric signatures against the published keys of an OpenID Connect issuer,
// and refuses what a shared secret signed, whoever has it. Identity never decides what a viewer may do (that is asked
// of rail.Viewer), never reads a request and never logs.
//
// Invariants: a viewer comes only out of an access token whose signature, kind, parties, time and subject were checked;
// what is told of a refused token says which of these failed and nothing of the key, the library or the other claims.
// An error is a *rail.Error: UNAUTHENTICATED when the token is to blame, UNAVAILABLE when the issuer cannot be asked.
//
// Verifiers are immutable or guard themselves, and are safe for concurrent use.
package identity

import (
	"context"
	"strings"

	"interlock/services/rail"
)

// Verifier turns a token into the viewer it speaks for.
type Verifier interface {
	// Verify checks a compact JWT, without the word Bearer. UNAUTHENTICATED: the token does not prove anything.
	// UNAVAILABLE: nobody can say just now; the same token may be right later.
	Verify(ctx context.Context, token string) (*rail.Viewer, error)
}

const (
	// maxTokenBytes is far above what issuers make (1 to 4 KiB), and keeps parsing of rubbish cheap.
	maxTokenBytes = 16 << 10
	// DefaultRolesClaim is where roles are looked for unless a setting names another place.
	DefaultRolesClaim = "roles"
)

// checkForm refuses what no issuer makes before it is parsed. The parsers take line breaks in what base64 says: a token
// has one spelling.
func checkForm(token string) error {
	switch {
	case len(token) > maxTokenBytes:
		return refuse("the token is too long", nil)
	case strings.ContainsAny(token, " \t\r\n"):
		return refuse(invalidMessage, nil)
	}
	return nil
}

// refuse is every "no" to a token; the cause stays in the process.
func refuse(message string, cause error) *rail.Error {
	return &rail.Error{Code: rail.Unauthenticated, Message: message, Cause: cause}
}
