package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"interlock/services/rail"
)

// maxSubjectBytes is how long a buyer's name in the ledger may be.
const maxSubjectBytes = 128

// reading says how claims are read once their signature is verified.
type reading struct {
	now        func() time.Time
	leeway     time.Duration
	rolesClaim string
	// issuer and audience are what a token must name. They are "" for development tokens, which name neither.
	issuer, audience string
	// clients are the applications whose tokens are taken; an empty list is any.
	clients []string
}

// viewer checks a token's kind, parties, client, times and subject, and reads its roles.
func (r reading) viewer(token *jwt.Token) (*rail.Viewer, error) {
	claims, ok := token.Claims.(jwt.MapClaims)
	if !ok {
		return nil, refuse(invalidMessage, errors.New("the token's claims are no object"))
	}
	if err := checkKind(token.Header, claims); err != nil {
		return nil, err
	}
	if err := r.checkParties(claims); err != nil {
		return nil, refuse(invalidMessage, err)
	}
	if err := r.checkClient(claims); err != nil {
		return nil, refuse(clientMessage, err)
	}
	validator := jwt.NewValidator(
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(r.leeway), jwt.WithTimeFunc(r.now))
	if err := validator.Validate(claims); err != nil {
		return nil, refuse(timeMessage(err), err)
	}
	subject, err := claims.GetSubject()
	if err != nil || !validSubject(subject) {
		return nil, refuse(subjectMessage, err)
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return nil, refuse(timesMessage, err)
	}
	return &rail.Viewer{Subject: subject, Roles: rolesOf(claims, r.rolesClaim), Expires: expires.Add(r.leeway)}, nil
}

// checkParties checks the token's issuer and its audience.
func (r reading) checkParties(claims jwt.MapClaims) error {
	if r.issuer == "" {
		return nil
	}
	if issuer, err := claims.GetIssuer(); err != nil || issuer != r.issuer {
		return errors.New("the token is another issuer's")
	}
	if audience, err := claims.GetAudience(); err != nil || !slices.Contains(audience, r.audience) {
		return errors.New("the token is for another audience")
	}
	return nil
}

// checkClient checks that the application which asked for the token is allowed. An issuer names it in azp, or in
// client_id (RFC 9068). A token that names two applications is refused.
func (r reading) checkClient(claims jwt.MapClaims) error {
	if r.issuer == "" {
		return nil
	}
	client := ""
	for _, name := range []string{"azp", "client_id"} {
		value, given := claims[name]
		if !given {
			continue
		}
		text, ok := value.(string)
		if !ok || text == "" || client != "" && client != text {
			return fmt.Errorf("the claim %s does not name the one client", name)
		}
		client = text
	}
	if len(r.clients) > 0 && !slices.Contains(r.clients, client) {
		return errors.New("the token's client is not among those that are allowed")
	}
	return nil
}

const (
	invalidMessage = "the token is not valid"
	timesMessage   = "the token's times are not numbers"
	kindMessage    = "the token is not an access token"
	boundMessage   = "the token is bound to a key (DPoP), of which nothing is proven here"
	clientMessage  = "the token was made for another application (azp)"
)

var subjectMessage = fmt.Sprintf("the token's subject (sub) is not 1 to %d printable ASCII characters without spaces",
	maxSubjectBytes)

func timeMessage(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "the token is not valid yet"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "the token has no expiry (exp)"
	}
	return timesMessage
}

// validSubject tells whether a subject is printable ASCII without spaces, which every ledger compares byte by byte. A
// collation that pads, or that knows letters with marks, would take two buyers for one.
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

// rolesOf reads the roles in a claim. The claim may be nested ("realm_access.roles"), but one whose own name has dots
// comes first. It is a list, or one string with spaces or commas between the roles. Unknown roles are left out: an
// issuer serves others too.
func rolesOf(claims map[string]any, path string) []rail.Role {
	var roles []rail.Role
	add := func(name string) {
		for _, role := range rail.Roles {
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
