package function

import (
	"fmt"

	"headgate/firehose"
)

// result says what an answer means for the delivery ("Invoke", AWS Lambda API
// reference). A function that failed is transient here; judge decides.
func (a *answer) result() firehose.Result {
	if a.failed {
		return firehose.Fail(firehose.Transient, fmt.Errorf("%w: %s", errFunction, a.Text()))
	}
	return a.Result("the function's server")
}
