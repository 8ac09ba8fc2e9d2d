// Package paypb is made of pay.proto by `make generate`. That file says what each type means.
package paypb
