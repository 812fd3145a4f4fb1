package redshift

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"headgate/firehose"
)

// maxName is Redshift's limit of an identifier.
const maxName = 127

// identifier vets a name and quotes it: only letters, digits, _ and $ of
// ASCII, and no digit in front. Nothing that a quote could be got out of.
func identifier(name string) (string, error) {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '$') {
			return "", fmt.Errorf("%q cannot be a name: letters, digits, _ and $ can", name)
		}
	}
	if name == "" || len(name) > maxName {
		return "", fmt.Errorf("a name has 1 to %d letters, %q does not", maxName, name)
	}
	return `"` + name + `"`, nil
}

// identifiers is a name with or without a schema.
func identifiers(name string) (string, error) {
	schema, table, ok := strings.Cut(name, ".")
	if !ok {
		return identifier(name)
	}
	s, err := identifier(schema)
	if err != nil {
		return "", err
	}
	t, err := identifier(table)
	return s + "." + t, err
}

// literal quotes a text. Redshift takes a backslash as an escape and has no
// setting to stop that, so a text with one is refused.
func literal(text string) (string, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("backslashes and control characters cannot be in a text of SQL")
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'", nil
}

// rights makes the clause that says who Redshift is for the bucket.
func (s *Sink) rights() error {
	c := s.c
	if (c.Role == "") == (c.AccessKey == "" && c.SecretKey == "") || (c.AccessKey == "") != (c.SecretKey == "") {
		return fmt.Errorf("a role or a pair of keys is needed, and not both")
	}
	if c.Role == "default" {
		s.credentials = "IAM_ROLE default"
		return nil
	}
	if c.Role != "" {
		role, err := literal(c.Role)
		if err != nil || !strings.HasPrefix(c.Role, "arn:aws") {
			return fmt.Errorf("the role is not the ARN of one")
		}
		s.credentials = "IAM_ROLE " + role
		return nil
	}
	keys := "aws_access_key_id=" + c.AccessKey + ";aws_secret_access_key=" + c.SecretKey
	if c.SessionToken != "" {
		keys += ";token=" + c.SessionToken
	}
	if strings.ContainsAny(c.AccessKey+c.SecretKey+c.SessionToken, ";'\" ") {
		return fmt.Errorf("the keys have characters that keys do not have")
	}
	quoted, err := literal(keys)
	if err != nil {
		return fmt.Errorf("the keys have characters that keys do not have")
	}
	s.credentials = "CREDENTIALS " + quoted
	return nil
}

// options vets what goes behind COPY: words and quoted texts, one statement.
func (s *Sink) options() error {
	if strings.Count(s.c.Options, "'")%2 != 0 || strings.ContainsAny(s.c.Options, ";\\\x00") || strings.Contains(s.c.Options, "--") || strings.Contains(s.c.Options, "/*") {
		return fmt.Errorf("the options of COPY are words and quoted texts, without semicolons, backslashes and comments")
	}
	if word(s.c.Options, "MANIFEST") || word(s.c.Options, "NOLOAD") {
		return fmt.Errorf("MANIFEST is given by itself, and NOLOAD would load nothing")
	}
	_, err := literal(s.c.Region)
	return err
}

// word reports whether options have one of the words, outside quotes.
func word(options string, words ...string) bool {
	for i, piece := range strings.Split(options, "'") {
		if i%2 == 0 && slices.ContainsFunc(strings.Fields(strings.ToUpper(piece)), func(w string) bool { return slices.Contains(words, w) }) {
			return true
		}
	}
	return false
}

// copyStatement loads what a manifest names.
func (s *Sink) copyStatement(b *firehose.Batch, manifest string) (string, error) {
	from, err := literal(s.c.URL + manifest)
	if err != nil {
		return "", err
	}
	sql := "COPY " + s.table + s.columns + " FROM " + from + " " + s.credentials + " MANIFEST " + s.c.Options
	if s.c.Region != "" {
		region, err := literal(s.c.Region)
		if err != nil {
			return "", err
		}
		sql += " REGION " + region
	}
	if word(s.c.Options, "GZIP", "ZSTD", "BZIP2", "LZOP", "PARQUET", "ORC", "AVRO") {
		return sql, nil
	}
	switch ending := b.Encoder.Extension(); ending {
	case "":
		return sql, nil
	case ".gz":
		return sql + " GZIP", nil
	case ".zst":
		return sql + " ZSTD", nil
	default:
		return "", fmt.Errorf("COPY cannot read %s: choose gzip, zstd or no compression", ending)
	}
}

// The ledger. Redshift does not enforce keys, hence the lock around its use.
func (s *Sink) createLedger() string {
	return "CREATE TABLE IF NOT EXISTS " + s.ledger + " (batch_id varchar(36) NOT NULL, sha256 varchar(64) NOT NULL, loaded timestamp NOT NULL)"
}

func (s *Sink) lockLedger() string { return "LOCK TABLE " + s.ledger }

func (s *Sink) selectLedger(id string) string {
	return "SELECT sha256 FROM " + s.ledger + " WHERE batch_id = " + id
}

func (s *Sink) insertLedger(id string, b *firehose.Batch) string {
	return "INSERT INTO " + s.ledger + " (batch_id, sha256, loaded) VALUES (" + id + ", '" + digest(b) + "', '" + time.Now().UTC().Format("2006-01-02 15:04:05") + "')"
}

func digest(b *firehose.Batch) string { return hex.EncodeToString(b.SHA256[:]) }
