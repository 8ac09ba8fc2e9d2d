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

// idTokenClaims are those by which an ID token is bound to a sign-in (OpenID Connect Core, 2 and 3.3.2.11). An ID token
// tells an application who has signed in; it opens no service.
var idTokenClaims = []string{"nonce", "at_hash", "c_hash", "s_hash"}

// checkHeader refuses what a token's signer asks for and we do not understand.
func checkHeader(header map[string]any) error {
	if _, critical := header["crit"]; critical {
		// RFC 7515, 4.1.11: who does not understand what the signer calls critical must refuse.
		return errors.New("the token has critical headers")
	}
	return nil
}

// checkKind refuses what an issuer signs with the same keys for another use: ID tokens, logout tokens and other
// security events, refresh tokens. Where neither the header nor a claim says "access token", the marks of an ID token
// decide.
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

// isBound tells whether a token is good only together with a proof that its bearer has a key. Proofs are not taken
// here: without one, whoever has stolen the token could use it. What is bound to a certificate of the client is held
// against it where TLS ends.
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
