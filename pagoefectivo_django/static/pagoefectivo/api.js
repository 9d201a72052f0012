// Shows the schema of the API. Nothing is loaded from elsewhere: without validatorUrl null the badge would be.
"use strict";
const place = document.getElementById("api");
SwaggerUIBundle({ domNode: place, url: place.dataset.schema, deepLinking: true, validatorUrl: null });
