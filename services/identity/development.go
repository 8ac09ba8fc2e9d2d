package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"interlock/services/rail"
)

// MinSecretBytes is the least that an HS256 secret may have. A shorter one is easier to guess than the hash is to break
// (RFC 7518, 3.2).
const MinSecretBytes = 32

// Development checks and makes tokens with a shared secret. It has no leeway: its tokens are made by this clock.
type Development struct {
	// Now is the clock; time.Now unless a test sets another. It must not change once the verifier is in use.
	Now func() time.Time

	secret []byte
}

// NewDevelopment makes a verifier of tokens that are signed with the secret by HS256. Their roles are in the claim
// "roles".
func NewDevelopment(secret []byte) (*Development, error) {
	if len(secret) < MinSecretBytes {
		return nil, fmt.Errorf("a development secret has at least %d bytes, not %d", MinSecretBytes, len(secret))
	}
	return &Development{Now: time.Now, secret: append([]byte(nil), secret...)}, nil
}

// Verify implements Verifier.
func (d *Development) Verify(_ context.Context, token string) (*rail.Viewer, error) {
	if err := checkForm(token); err != nil {
		return nil, err
	}
	// The reading below checks the claims, for both kinds of proof.
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation())
	proven, err := parser.ParseWithClaims(token, jwt.MapClaims{}, func(t *jwt.Token) (any, error) {
		return d.secret, checkHeader(t.Header)
	})
	if err != nil {
		return nil, refuse(invalidMessage, err)
	}
	return reading{now: d.Now, rolesClaim: DefaultRolesClaim}.viewer(proven)
}

// Issue makes a token for a subject that is valid for ttl, for development and demonstration.
func (d *Development) Issue(subject string, roles []rail.Role, ttl time.Duration) (string, error) {
	if !validSubject(subject) {
		return "", rail.Refuse(rail.Invalid, "a subject is 1 to %d printable ASCII characters without spaces",
			maxSubjectBytes)
	}
	// Times in a token are whole seconds. With less than one, the token would be over before it is made.
	if ttl < time.Second {
		return "", rail.Refuse(rail.Invalid, "a token lives at least a second, not %s", ttl)
	}
	names := make([]string, len(roles))
	for i, role := range roles {
		if !slices.Contains(rail.Roles, role) {
			return "", rail.Refuse(rail.Invalid, "%q is not a role; the roles are %s", role, rolesInWords())
		}
		names[i] = string(role)
	}
	now := d.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss":             "interlock-development",
		"sub":             subject,
		DefaultRolesClaim: names,
		"iat":             now.Unix(),
		"exp":             now.Add(ttl).Unix(),
	}).SignedString(d.secret)
}

// rolesInWords names all roles.
func rolesInWords() string {
	names := make([]string, len(rail.Roles))
	for i, role := range rail.Roles {
		names[i] = string(role)
	}
	return strings.Join(names, ", ")
}
