// Package notifypb is made of notify.proto by `make generate`. That file says what each type means.
package notifypb
