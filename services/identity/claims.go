package identity

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"interlock/services/rail"
)

// maxSubjectBytes is what the ledger keeps of a buyer's name.
const maxSubjectBytes = 128

// reading says how claims are read once their signature was found right.
type reading struct {
	now        func() time.Time
	leeway     time.Duration
	rolesClaim string
}

// viewer checks the claims' time and subject, and reads the roles.
func (r reading) viewer(claims jwt.MapClaims) (*rail.Viewer, error) {
	validator := jwt.NewValidator(jwt.WithExpirationRequired(), jwt.WithLeeway(r.leeway), jwt.WithTimeFunc(r.now))
	if err := validator.Validate(claims); err != nil {
		return nil, refuse(timeMessage(err), err)
	}
	subject, err := claims.GetSubject()
	if err != nil || !validSubject(subject) {
		return nil, refuse(subjectMessage, err)
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return nil, refuse("the token's times are not numbers", err)
	}
	return &rail.Viewer{Subject: subject, Roles: rolesOf(claims, r.rolesClaim), Expires: expires.Add(r.leeway)}, nil
}

var subjectMessage = fmt.Sprintf("the token's subject (sub) is not 1 to %d printable ASCII characters without spaces", maxSubjectBytes)

func timeMessage(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return "the token is not valid yet"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "the token has no expiry (exp)"
	}
	return "the token's times are not numbers"
}

// validSubject keeps subjects to what every ledger compares byte by byte: a collation that pads, or that knows about
// letters with marks, would take two buyers for one.
func validSubject(subject string) bool {
	if subject == "" || len(subject) > maxSubjectBytes {
		return false
	}
	for i := range len(subject) {
		if subject[i] <= ' ' || subject[i] > '~' {
			return false
		}
	}
	return true
}

// rolesOf finds the roles at a claim, which may be nested ("realm_access.roles") and is a list or one string with the
// roles apart by spaces or commas. Roles that are not ours mean nothing here and are left out: an issuer serves others
// too. A claim whose own name has dots in it goes before a nested one.
func rolesOf(claims map[string]any, path string) []rail.Role {
	var roles []rail.Role
	add := func(name string) {
		for _, role := range []rail.Role{rail.RolePassenger, rail.RoleAdmin} {
			if strings.EqualFold(name, string(role)) {
				roles = append(roles, role)
			}
		}
	}
	switch value := claimAt(claims, path).(type) {
	case string:
		for _, name := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' }) {
			add(name)
		}
	case []any:
		for _, element := range value {
			if name, ok := element.(string); ok {
				add(name)
			}
		}
	}
	return roles
}

func claimAt(claims map[string]any, path string) any {
	if value, ok := claims[path]; ok {
		return value
	}
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		return nil
	}
	inner, ok := claims[head].(map[string]any)
	if !ok {
		return nil
	}
	return claimAt(inner, rest)
}
