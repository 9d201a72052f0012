"""A whole PagoEfectivo on your own machine: `python -m pagoefectivo_django.sandbox --port 8800`.

Written from `protocol/pagoefectivo.md` alone. It imports nothing of the app and no Django, so that a mistake
of the app cannot cancel itself out. One process, state in memory, 127.0.0.1 only, standard library only.

Where the protocol says UNKNOWN or the sources disagree, this sandbox assumes:

* Authorizations: wrong keys or a wrong hash answer 401 with the error body of 3.4 (111, and 113 on
  `accessKey`, `idService` or `hashString`). A `dateRequest` more than five minutes off answers 400/111 with
  113 on `dateRequest`.
* A body that is not a JSON object answers 400/111 with an empty `data`; another Content-Type answers 415.
* 401 for a missing, unknown or expired token has an empty body.
* Codes are text in errors and in authorizations, numbers elsewhere: the vendor's own samples mix them so.
* `userPhone` and `userCodeCountry` are mandatory, as in the vendor's table; `Origin` is not looked at.
* DNI numbers are 8 digits; the other document types take up to 14 letters and digits.
* 508 is what a `serviceId` other than the token's gets; 508 and 511 are outer codes with an empty `data`.
* `dateExpiry` takes any numeric offset and answers in -05:00; "under 6 months" is 181 days; PATCH has the
  same bounds.
* PATCH of a paid, deleted or unknown code, and DELETE of one that is not Generado, answer 400/111 with 113
  on `cip`.
* An "empty structure" of search is `{}`. The name of state 23 is "Cancelado.", which means paid.
* A payment wins over a removal: a deleted code that a collector accepted late is in state 23.
* A reversed payment leaves the code as if never paid (22 or 21) and is told as `cip.refunded` with the same
  payload.
* `cip.expired` has an empty `operationNumber` and no `paymentDate`, and is sent only when asked for.
* The second attempt of a webhook comes one second after the first; each waits ten seconds for its answer.
"""
