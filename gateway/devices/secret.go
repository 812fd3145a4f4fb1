package devices

import (
	"fmt"
	"log/slog"
)

// Secret is a password or a claim code that was just made: the only time that
// it is there to be read. It prints as ***.
type Secret struct{ text string }

// Text is the secret itself.
func (s Secret) Text() string { return s.text }

// String hides the secret.
func (Secret) String() string { return "***" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// Format hides the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "***") }
