package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// accessType is what RFC 9068 calls an access token in its header.
const accessType = "at+jwt"

// idTokenClaims are the claims that bind an ID token to a sign-in (OpenID Connect Core, 2 and 3.3.2.11). An ID token
// tells an application who has signed in. It opens no service.
var idTokenClaims = []string{"nonce", "at_hash", "c_hash", "s_hash"}

// checkHeader refuses a token with critical headers: none of them is understood here.
func checkHeader(header map[string]any) error {
	if _, critical := header["crit"]; critical {
		// RFC 7515, 4.1.11: a critical header that is not understood is to be refused.
		return errors.New("the token has critical headers")
	}
	return nil
}

// checkKind refuses tokens that an issuer signs with the same keys for another use: ID tokens, logout tokens and other
// security events, refresh tokens. A token may say that it is an access token, in its header or in a claim. One that
// does not is taken unless it has a claim of an ID token.
func checkKind(header map[string]any, claims jwt.MapClaims) error {
	declared, err := typeOf(header)
	if err != nil {
		return refuse(kindMessage, err)
	}
	if _, event := claims["events"]; event {
		return refuse(kindMessage, errors.New("the token tells of an event (RFC 8417)"))
	}
	if isBound(claims) {
		return refuse(boundMessage, errors.New("the token is bound to a key (RFC 9449)"))
	}
	access := declared == accessType
	// Keycloak says what a token is in the claim typ, Cognito in token_use.
	for claim, names := range map[string][]string{"typ": {"Bearer", accessType}, "token_use": {"access"}} {
		use, given := claims[claim]
		if !given {
			continue
		}
		if !isOneOf(use, names) {
			return refuse(kindMessage, fmt.Errorf("the claim %s names another kind of token", claim))
		}
		access = true
	}
	if access {
		return nil
	}
	for _, name := range idTokenClaims {
		if _, given := claims[name]; given {
			return refuse(kindMessage, fmt.Errorf("the claim %s is an ID token's", name))
		}
	}
	return nil
}

// isBound tells whether a token is valid only together with a proof that its bearer has a key (RFC 9449). Proofs are
// not checked here, so a stolen token could be used: such tokens are refused. A token that is bound to a certificate is
// checked where TLS ends.
func isBound(claims jwt.MapClaims) bool {
	if isOneOf(claims["typ"], []string{"DPoP"}) {
		return true
	}
	confirmation, _ := claims["cnf"].(map[string]any)
	_, bound := confirmation["jkt"]
	return bound
}

// typeOf reads the header's typ: "" where there is none.
func typeOf(header map[string]any) (string, error) {
	value, given := header["typ"]
	if !given {
		return "", nil
	}
	text, ok := value.(string)
	if !ok {
		return "", errors.New("the header typ is no string")
	}
	// RFC 7515, 4.1.9: "application/" may be left out, and letters of media types have no case.
	name := strings.TrimPrefix(strings.ToLower(text), "application/")
	if name != "jwt" && name != accessType {
		return "", errors.New("the header typ names another kind of token")
	}
	return name, nil
}

func isOneOf(value any, names []string) bool {
	text, ok := value.(string)
	return ok && slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(text, name) })
}
