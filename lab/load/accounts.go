package load

import (
	"fmt"
	"math/rand/v2"
	"time"

	"interlock/services/identity"
	"interlock/services/rail"
)

// tokenLife is longer than the lab runs.
const tokenLife = 12 * time.Hour

// PassengerTokens makes the tokens of passengers.
func PassengerTokens(tokens *identity.Development) func(subject string) (string, error) {
	return func(subject string) (string, error) {
		return tokens.Issue(subject, []rail.Role{rail.RolePassenger}, tokenLife)
	}
}

// AdminToken is the token of an admin, who may publish.
func AdminToken(tokens *identity.Development) (string, error) {
	return tokens.Issue("lab", []rail.Role{rail.RoleAdmin}, tokenLife)
}

// OrdersPerAccount is how many orders one account places: as many holds as a buyer may have by default.
const OrdersPerAccount = 5

// Accounts are new accounts, without end. No two have one name, also over several Accounts and one server.
type Accounts struct {
	// Token makes the token of a buyer.
	Token func(subject string) (string, error)
}

// Next is the token of a new account.
func (a *Accounts) Next() (string, error) { return a.Token(fmt.Sprintf("buyer-%016x", rand.Uint64())) }

// Account is a buyer's account, a new one after every OrdersPerAccount orders.
type Account struct {
	accounts *Accounts
	token    string
	left     int
}

// NewAccount makes an account out of accounts.
func (a *Accounts) NewAccount() *Account { return &Account{accounts: a} }

// Token is the token to place one more order with.
func (a *Account) Token() (token string, err error) {
	if a.left == 0 {
		if a.token, err = a.accounts.Next(); err != nil {
			return "", err
		}
		a.left = OrdersPerAccount
	}
	a.left--
	return a.token, nil
}
