// Package smtpmail sends one mail at a time to a mail server, or writes it into a folder.
//
// A Sender speaks SMTP (RFC 5321) on a connection of its own for each mail. It tells apart what a caller has to: the
// mail was taken; it never will be (ErrRefused); it may have been (ErrUnknown); or nobody has it, and it may be tried
// again (any other error). A mail that is tried again has the Message-ID and the Date it had before, so that receivers
// can tell that it is the same.
package smtpmail
