package redshift

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"headgate/firehose"
)

// SQLSTATEs that are more than their first letters.
const (
	undefinedTable = "42P01"
	noPrivilege    = "42501"
	internalError  = "XX000" // what Redshift gives to most of its own errors
)

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func isClass(state string, classes ...string) bool {
	for _, c := range classes {
		if strings.HasPrefix(state, c) {
			return true
		}
	}
	return false
}

// madeMeanwhile reports that somebody else created the table that we wanted to.
func madeMeanwhile(err error) bool { return isClass(sqlState(err), "42P07", "42710", "23505") }

// says reports whether an error's text has one of the words, whatever their case.
func says(err error, words ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	text := strings.ToLower(pg.Message + " " + pg.Detail + " " + pg.Hint)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// poisonous reports whether a COPY failed for what is in the records.
func poisonous(err error) bool {
	state := sqlState(err)
	return isClass(state, "22", "23") || state == internalError && says(err, "stl_load_errors", "sys_load_error_detail")
}

// classify says what a failure means for the delivery ("PostgreSQL Error
// Codes", and what Redshift makes of them).
func (s *Sink) classify(at step, err error) firehose.Result {
	told := fmt.Errorf("%s: %w", at, s.scrub(err))
	fail := func(class firehose.Class) firehose.Result { return firehose.Fail(class, told) }
	state := sqlState(err)
	var other *otherBatch
	switch {
	case errors.As(err, &other), untrusted(err), at == connecting && disagreed(err):
		return fail(firehose.Config)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), state == "":
		return fail(firehose.Transient)
	case state == internalError:
		return fail(classOfS3(err))
	case isClass(state, "28"), state == noPrivilege:
		return fail(firehose.Auth)
	case isClass(state, "53"): // too many connections, no room
		return fail(firehose.Throttled)
	case isClass(state, "3D", "3F", "42", "0A", "25006"):
		return fail(firehose.Config)
	}
	return fail(firehose.Transient) // 08, 40, 55, 57 and what we have not heard of
}

// disagreed reports that the two could not agree on how to connect. pgconn has
// no types for that.
func disagreed(err error) bool {
	for _, text := range []string{"server refused TLS", "authentication method requirement", "unknown authentication type"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// untrusted reports a certificate that does not do.
func untrusted(err error) bool {
	var unverified *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unverified) || errors.As(err, &unknown) || errors.As(err, &invalid)
}

// classOfS3 is of what Redshift says of the bucket.
func classOfS3(err error) firehose.Class {
	switch {
	case says(err, "access denied", "status 403", "not authorized", "invalidaccesskeyid", "signaturedoesnotmatch", "expiredtoken", "invalid credentials"):
		return firehose.Auth
	case says(err, "nosuchbucket", "nosuchkey", "does not exist", "status 404", "status 301", "permanentredirect"):
		return firehose.Config
	}
	return firehose.Transient
}

// explain asks for what COPY keeps to itself: which line, which column, why.
// The records at fault are found by sending fewer.
func (s *Sink) explain(ctx context.Context, x *session, b *firehose.Batch, err error) firehose.Result {
	if x.rollback(ctx) == nil {
		if why := s.loadError(ctx, x, b, err); why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
	}
	return firehose.Fail(firehose.Poison, fmt.Errorf("%s: %w", copying, s.scrub(err)))
}

// loadError is the row of the system's table of load errors, or "".
func (s *Sink) loadError(ctx context.Context, x *session, b *firehose.Batch, err error) string {
	file, badName := literal(s.c.URL + b.Object)
	if badName != nil {
		return ""
	}
	sql := "SELECT line_number, trim(colname), trim(err_reason) FROM stl_load_errors WHERE trim(filename) = " + file + " ORDER BY starttime DESC LIMIT 1"
	if says(err, "sys_load_error_detail") {
		sql = "SELECT line_number, trim(column_name), trim(error_message) FROM sys_load_error_detail WHERE trim(file_name) = " + file + " ORDER BY start_time DESC LIMIT 1"
	}
	found, failed := x.run(ctx, sql)
	if failed != nil || len(found.rows) == 0 || len(found.rows[0]) < 3 {
		return ""
	}
	row := found.rows[0]
	return fmt.Sprintf("line %s, column %s: %s", row[0], row[1], row[2])
}

// scrub takes secrets out of an error: a server may quote what it was sent.
func (s *Sink) scrub(err error) error {
	text := err.Error()
	for _, secret := range []string{s.c.Password, s.c.SecretKey, s.c.SessionToken} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
