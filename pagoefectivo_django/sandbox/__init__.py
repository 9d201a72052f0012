"""A simulator of PagoEfectivo on your own machine: `python -m pagoefectivo_django.sandbox --port 8800`.

Written from `protocol/pagoefectivo.md` alone. The sandbox imports nothing of the app and no Django, so that a mistake
of the app cannot cancel itself out. One process, state in memory, 127.0.0.1 only, standard library only.

A request that breaks a rule of the protocol is refused. Where the protocol leaves a rule open (UNKNOWN, or its sources
disagree) the request is accepted, since a client that a real server might serve must not fail at a simulator. Where an
answer has to be chosen all the same, this sandbox assumes:

* Authorizations: wrong keys or a wrong hash answer 401 with the error body of 3.4 (111, and 113 on
  `accessKey`, `idService` or `hashString`). A `dateRequest` more than five minutes off (`--clock-skew`) answers 400/111
  with 113 on `dateRequest`. Its instant counts, in any offset, and the hash is over the text as sent.
* Dates have `T` or a blank, any fraction of a second, `Z` or any offset (also `-0500`, `-5:00`), as the vendor's parser
  is .NET's lenient one. A date without an offset is refused. Answers are in -05:00, whole seconds.
* A body that is not a JSON object answers 400/111 with an empty `data`; another Content-Type answers 415. A body may
  come in chunks.
* 401 for a missing, unknown or expired token has an empty body.
* Codes are text in errors and numbers elsewhere, 100 of authorizations too (additions A, 2.3).
* `userPhone` and `userCodeCountry` are mandatory, as in the vendor's table; `--optional-phone` lets both be missing, as
  in the vendor's own demo. A phone may begin with a plus within its 15 characters.
* null and empty text count as unset, also for the optional texts whose least length is 1 in the table.
* Beside the five document types of the table `CE` and `PASS` are taken; RUC is not. DNI numbers are 8 digits; the other
  types take up to 14 letters and digits.
* An e-mail address is some text, an @, and more text, without blanks.
* `Origin` and `Accept-Language` may be missing or any word; messages are Spanish unless English is asked for. An
  `Origin` that is a page's must be the sandbox's own, and `Host` a name of this machine (see callers.py).
* 508 answers a `serviceId` other than the token's; 508 and 511 are outer codes with an empty `data`.
* A code lives at least ten minutes (`--shortest-life`; known from one reseller) and less than six months, which is 181
  days; PATCH has the same bounds.
* One merchant may have several services, each with its keys, tokens, codes and webhook. The code of another service
  counts as unknown.
* PATCH of a paid, deleted or unknown code, and DELETE of a code that is not Generado, answer 400/111 with 113
  on `cip`.
* An "empty structure" of search is `{}`. The name of state 23 is "Cancelado.", which means paid.
* A payment wins over a removal: a deleted code that a collector accepted late is in state 23.
* A reversed payment leaves the code as if never paid (22 or 21); the notice is `cip.refunded` with the same
  payload.
* `cip.expired` has an empty `operationNumber` and no `paymentDate`, and is sent only when asked for.
* The second attempt of a webhook comes one second after the first; each waits ten seconds for its answer.
"""
